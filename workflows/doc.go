// Package workflows decides; activities act. Backup and Restore plan, run one DatabaseJob per database, and finish;
// DatabaseJob holds the database's lock, which is its workflow id, and goes through the units; UndoWindow keeps the old
// tables after a swap; Inspect reads for the CLI.
//
// Everything here is deterministic: no clocks, no maps in order-giving places, no I/O. Inputs and results are package
// spec's. A change that alters the commands of a run needs workflow.GetVersion and a recorded history in test/replay.
package workflows
