"""What the feedback of a model teaches, written for programs that train elsewhere."""
