// Command starkeep backs up and restores StarRocks databases.
//
// It speaks to Temporal only: it starts the workflows of workflows/spec, watches them and shows what they return. The
// clusters, stores and their credentials are known to the workers alone, so every read is a short Inspect workflow.
//
// Data goes to stdout, everything else to stderr. Exit codes are listed in exit.go and docs/cli.md.
package main

import (
	"context"
	"os"
)

func main() {
	c := newCLI(os.Stdin, os.Stdout, os.Stderr)
	os.Exit(c.run(context.Background(), os.Args[1:]))
}
