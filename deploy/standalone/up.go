package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"starkeep/worker/config"
)

// upOptions are the flags of the command up.
type upOptions struct {
	Config string
	Data   string
	Ports  Ports
}

func upCommand() *cobra.Command {
	var opt upOptions
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run Temporal, its web UI and the worker for your own clusters",
		Long: "Runs the Temporal server, its web UI and the worker in this process, on 127.0.0.1, for the clusters and\n" +
			"repositories of a configuration file. All state is in one directory: what was running when the process ended,\n" +
			"however it ended, goes on at the next start. Ends on SIGINT or SIGTERM; jobs of StarRocks go on meanwhile.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runUp(cmd.Context(), opt, cmd.OutOrStdout()) },
	}
	cmd.Flags().StringVar(&opt.Config, "config", "", "`file` with the profiles of clusters and repositories (see docs/starkeep.sample.yaml)")
	cmd.Flags().StringVar(&opt.Data, "data", "starkeep-data", "`directory` where state lives; keep it")
	cmd.Flags().IntVar(&opt.Ports.Temporal, "port", 7233, "port of the Temporal server (0: any free one)")
	cmd.Flags().IntVar(&opt.Ports.UI, "ui-port", 8233, "port of the web UI (0: any free one)")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

// runUp runs until ctx ends. The configuration is checked before anything is started.
func runUp(ctx context.Context, opt upOptions, out io.Writer) (err error) {
	file, err := userPath(opt.Config)
	if err != nil {
		return err
	}
	dir, err := userPath(opt.Data)
	if err != nil {
		return err
	}
	cfg, err := config.Load(file)
	if err != nil {
		return err
	}
	if cfg.Temporal != (config.Temporal{}) {
		return fmt.Errorf("%s: leave \"temporal\" out: up brings its own server, for %q run the worker itself", file, cfg.Temporal.Address)
	}
	engine, err := startEngine(ctx, filepath.Join(dir, "temporal"), opt.Ports)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Stop()) }()
	fmt.Fprintf(out, "Temporal  %s (export TEMPORAL_ADDRESS=%s)\nWeb UI    %s\nState     %s\nClusters  %v\nCtrl-C stops; the next start goes on.\n",
		engine.Temporal.Address, engine.Temporal.Address, engine.UI.Address, dir, cfg.ClusterNames())
	log, err := workerLog("stderr")
	if err != nil {
		return err
	}
	return runWorker(ctx, engine, cfg, log)
}
