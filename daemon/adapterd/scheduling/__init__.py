"""When a run is due, and whether enough feedback is new: functions of the clock and the store."""
