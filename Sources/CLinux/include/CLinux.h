// Thin C face of liburing and libnuma: their headers stay out of Swift.
#pragma once
