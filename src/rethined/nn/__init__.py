"""The network in torch: blocks, assembly, matching, and the twin of the transfer."""
