"""What is measured of datasets: counts and distributions, in one pass and in flat memory."""
