package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"go.temporal.io/sdk/client"
	"go.uber.org/zap"

	"starkeep/worker/config"
	"starkeep/worker/run"
)

// runWorker serves the clusters of a configuration until ctx ends.
func runWorker(ctx context.Context, e *engine, cfg *config.Config, log *zap.Logger) error {
	return run.Run(ctx, run.Options{
		Config:   cfg,
		Logger:   log,
		Temporal: client.Options{HostPort: e.Temporal.Address, Namespace: namespace},
	})
}

// workerLog writes what the worker says to a file, or to "stderr".
func workerLog(path string) (*zap.Logger, error) {
	settings := zap.NewProductionConfig()
	settings.OutputPaths = []string{path}
	settings.ErrorOutputPaths = []string{path}
	log, err := settings.Build()
	if err != nil {
		return nil, fmt.Errorf("log of the worker: %w", err)
	}
	return log, nil
}

// startWorker runs the worker in the background, with the demo's own configuration. When it cannot go on, fail is told.
func (d *demo) startWorker(ctx context.Context, fail context.CancelCauseFunc) (stop func() error, err error) {
	cfg, err := d.writeConfig()
	if err != nil {
		return nil, err
	}
	log, err := workerLog(filepath.Join(d.dir, "worker.log"))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() {
		err := runWorker(ctx, d.engine, cfg, log)
		if err != nil {
			fail(fmt.Errorf("worker: %w", err))
		}
		done <- err
	}()
	return func() error {
		cancel()
		err := <-done
		_ = log.Sync() // a terminal or pipe cannot be synced; the file is closed at exit anyway
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}, nil
}
