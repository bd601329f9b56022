"""What the numbers of a column are, for the sentences under a table."""

MEANINGS = {
    "power.energy_j": "gross, of the cell's GPU boards together, from the start of the first phase to the end of the "
    "last",
    "power.phases.train.energy_j": "the same in the train phase, without evaluation",
    "train_energy_j_per_1000_tokens": "train energy over all tokens trained on, without padding",
    "power.net_energy_j": "energy minus idle power over the same time",
    "power.idle_power_w": "the mean right before the cell",
    "power.peak_sampled_power_w": "the highest sample of the GPU boards' power over the whole cell",
    "power.coverage": "the share of the time that samples of power stand for",
    "power.residual_percent": "by how much the integral of these samples exceeds the energy counter",
    "power.throttled_s": "the time in which a board had lowered its clocks",
    "host.package_energy_j": "of the machine's CPU packages, other programs included (RAPL)",
    "host.cpu_s": "of the cell's processes in all phases, over all cores",
    "seconds": "from start to record, longer than all phases together, above all in the first cell of a sweep, which "
    "waits for imports",
    "memory.device_peak_bytes": "in use on the cell's GPUs together, other programs included (NVML, sampled)",
    "memory.process_device_peak_bytes": "held by the cell's processes according to the driver, sampled once a second",
    "memory.torch_reserved_peak_bytes": "taken from the GPU by torch's CUDA allocator",
    "memory.torch_allocated_peak_bytes": "held by tensors in torch's CUDA allocator",
    "memory.rss_peak_bytes": "resident memory of the cell's processes together, shared pages counted in each (sampled)",
    "memory.pss_peak_bytes": "resident memory with shared pages divided among the processes that share them (sampled "
    "more rarely)",
    "training.step_time_s_p50": "the median of the steps after warm-up",
    "training.tokens_per_s": "tokens trained on per second of the steps after warm-up, without padding",
    "parameters.trainable": "parameters that are trained; 1 M is 1,000,000",
    "parameters.saved_bytes": "size on disk of what training changed; 1 MB is 1,000,000 bytes",
}
"""By the column's key. What its heading says already is left out."""
