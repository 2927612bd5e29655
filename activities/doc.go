// Package activities is everything starkeep does to the world: one side effect each, idempotent, with a context.
//
// Plan… decides what a run will do and stores the plan in the repository; Submit, Await and Record carry out one unit of
// it; the rest finishes: manifests, proofs, grants, swaps. A plan travels by reference, because a history is no place
// for a million partitions: activities take a PlanRef and index ranges.
//
// An activity returns its error through failure (errors.go), the one place where errors get their type and their retry
// class.
package activities
