"""What people ask for: status, doctor, triage, reports, an evaluation by hand."""
