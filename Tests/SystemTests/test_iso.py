"""The ISO image, booted by GRUB from BIOS and from UEFI."""

import os
import pathlib
import subprocess

import pytest

from test_metal import KERNEL, Machine, ROOT

OVMF = "/usr/share/ovmf/OVMF.fd"


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("iso") / "dbkernel.iso"
    done = subprocess.run([str(ROOT / "scripts/iso"), KERNEL, str(path)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return path


@pytest.mark.parametrize("firmware", ["BIOS", "UEFI"])
def test_the_iso_image_boots_into_a_database(image, tmp_path, firmware):
    machine = Machine(tmp_path, SMP="2", MEM="512M", ISO=str(image), FIRMWARE=OVMF if firmware == "UEFI" else "")
    try:
        machine.start()
        assert machine.psql("-c", "CREATE TABLE t (id int)", "-c", "SELECT count(*) FROM t") == "0\n"
        machine.press_power_button()
        assert machine.wait() == 0
    finally:
        if machine.process.poll() is None:
            machine.kill()
