"""Retention: the periods of the configuration, and the sweeps that delete what is older."""
