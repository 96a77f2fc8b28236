"""Items through the runtime that serves, scores, intervals, and the gate that decides."""
