"""The command line of partwise: one thin command per file, each with a `command`; `main` finds them."""
