"""Amazon Marketing Cloud in a box: the reporting API and its token endpoint."""
