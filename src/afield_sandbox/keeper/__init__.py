"""The outer side: keeps workers waiting, hands them jobs, reads what they write, ends what goes too far."""
