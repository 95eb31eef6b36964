"""Jobs, each in a process of its own, and the engines that run them."""
