// Package bench measures what starkeep adds to the bare statements, and how much memory and history large work takes.
// `make bench` runs it; it prints ratios, and medians with their spread. Benchmarks are no tests: they say whether a
// limit is kept, and fail only where the work itself does.
package bench
