"""The http connector: one request to somebody's web service."""
