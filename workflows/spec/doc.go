// Package spec is starkeep's public contract: the inputs and results of its workflows, the names of workflows, queries,
// updates and task queues, workflow ids and search attributes. Everything here travels as JSON, written by people and
// programs that know nothing of Go.
//
// Inputs are refused, not guessed at: a field that does not exist, a value of the wrong type or something that looks
// like a secret is remembered while decoding and reported by Validate, so that the run ends with InvalidSpec and a
// message that names the field and the fix.
package spec
