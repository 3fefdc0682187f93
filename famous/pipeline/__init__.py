"""The order of the stages: each reads, calls a pure function, writes, and notes in the manifest what it did."""
