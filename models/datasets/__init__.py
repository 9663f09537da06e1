"""Published data sets in their published layouts: names and labels in, examples out. No framework needed."""
