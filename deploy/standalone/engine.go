package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"go.temporal.io/sdk/client"
)

// Ports are loopback ports; 0 is any free one.
type Ports struct{ Temporal, UI int }

// engine is Temporal, its UI and a client, in this process, on one data directory.
type engine struct {
	Temporal *temporalServer
	UI       *webUI
	Client   client.Client

	lock *os.File
}

// startEngine starts Temporal and its UI on dir, an absolute path that is made if need be. Two processes cannot share a dir.
func startEngine(ctx context.Context, dir string, ports Ports) (_ *engine, err error) {
	e := &engine{}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Stop())
		}
	}()
	if e.lock, err = lockDirectory(dir); err != nil {
		return nil, err
	}
	if e.Temporal, err = startTemporal(ctx, dir, ports.Temporal); err != nil {
		return nil, err
	}
	if e.UI, err = startUI(ctx, e.Temporal.Address, ports.UI); err != nil {
		return nil, err
	}
	options := client.Options{HostPort: e.Temporal.Address, Namespace: namespace, Logger: silent{}}
	if e.Client, err = client.DialContext(ctx, options); err != nil {
		return nil, err
	}
	return e, nil
}

// Stop ends what was started, in reverse. What is running in Temporal goes on at the next start.
func (e *engine) Stop() error {
	var err error
	if e.Client != nil {
		e.Client.Close()
	}
	if e.UI != nil {
		e.UI.Stop()
	}
	if e.Temporal != nil {
		err = e.Temporal.Stop()
	}
	if e.lock != nil {
		err = errors.Join(err, e.lock.Close())
	}
	return err
}

// lockDirectory makes dir and keeps other processes out until the file is closed.
func lockDirectory(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("data directory %s is in use by another process: %w", dir, err), lock.Close())
	}
	return lock, nil
}

// silent is the log of clients whose failures are returned as errors anyway.
type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}
