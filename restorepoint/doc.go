// Package restorepoint is starkeep's domain: what is selected, how it is packed into units, what a restore point and
// a native snapshot are on disk, and what must agree before and after a restore.
//
// It is pure: no network, no files, no clock, no Temporal. Everything it writes to a store is documented for other
// programs in docs/formats.md.
package restorepoint
