// Command worker serves starkeep's workflows and activities on an existing Temporal cluster.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"go.uber.org/zap"

	"starkeep/worker/config"
	"starkeep/worker/run"
)

func main() {
	path := flag.String("config", "starkeep.yaml", "configuration file; docs/starkeep.sample.yaml explains every key")
	listen := flag.String("listen", "127.0.0.1:9191", "address of /healthz, /readyz and /metrics; empty: none")
	flag.Parse()
	if err := serve(*path, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

func serve(path, listen string) error {
	c, err := config.Load(path)
	if err != nil {
		return err
	}
	logger, err := zap.NewProduction()
	if err != nil {
		return err
	}
	defer func() { _ = logger.Sync() }()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run.Run(ctx, run.Options{Config: c, Logger: logger, Listen: listen})
}
