// Package starrocks speaks to StarRocks: statements and answers of its FE over the MySQL protocol, the states of its
// BACKUP and RESTORE jobs, the words of its errors, and the layout of what BACKUP leaves in a repository.
//
// It knows nothing of Temporal and of object stores: keys are strings below a repository's location, contents are
// bytes. "facts §n" in comments means ../shared/starrocks-facts.md, "measured A/B/C/D" ../shared/starrocks-measured.md,
// "rule n" the rules of ../shared/design.md §6.
package starrocks
