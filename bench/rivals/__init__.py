"""The servers that ours is compared with. Each runs as `python -m bench.rivals.NAME PORT [SOCKET]`."""
