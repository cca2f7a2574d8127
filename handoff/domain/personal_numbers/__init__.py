"""IBANs and national identification numbers: finding them, and masking them in what readers get."""
