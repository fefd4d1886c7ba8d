"""Tickets and alerts: how they come in, which machine they are about, how their senders hear of the end."""
