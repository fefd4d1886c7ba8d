"""Amazon Marketing Cloud: SQL queries that run in an AMC instance, over Amazon's reporting API."""
