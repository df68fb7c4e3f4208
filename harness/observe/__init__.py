"""Everything that looks: what the kernel says of processes, threads, sockets and segments. The one place that reads kernel formats."""
