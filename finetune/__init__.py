"""Training: from records to a measured adapter."""
