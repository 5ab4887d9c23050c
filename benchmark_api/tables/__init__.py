"""Tables of measured candidates, and the evaluator that answers a search from one."""
