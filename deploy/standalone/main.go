// Command standalone is starkeep in one process: the Temporal server on SQLite, its web UI and the worker. Nothing else
// has to be installed or reached, and everything listens on 127.0.0.1.
//
//	go -C deploy/standalone run . demo                        the main job on a simulated cluster
//	go -C deploy/standalone run . up --config starkeep.yaml   your own clusters
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use:           "standalone",
		Short:         "starkeep with an embedded Temporal server, in one process",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(demoCommand(), upCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
		os.Exit(1)
	}
}

// userPath makes a path absolute the way the user meant it. `go -C DIR run` starts us in DIR but leaves PWD as the
// shell has it, and it is the shell's directory that a relative path is about.
func userPath(path string) (string, error) {
	if filepath.IsAbs(path) {
		return filepath.Clean(path), nil
	}
	if pwd := os.Getenv("PWD"); filepath.IsAbs(pwd) {
		return filepath.Join(pwd, path), nil
	}
	return filepath.Abs(path)
}
