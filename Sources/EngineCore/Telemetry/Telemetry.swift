// Per-core counters, latency histograms, trace ring.

import Platform
