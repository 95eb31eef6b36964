"""Jobs, each in its own process, and the engines that run them."""
