"""How things are shown: self-contained pages, SVG figures, figures in letters, numbers and printable text."""
