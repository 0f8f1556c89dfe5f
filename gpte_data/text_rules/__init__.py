"""Rules on texts alone: language, mojibake, quality, personal data; all are off by default."""
