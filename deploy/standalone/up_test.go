package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"starkeep/test/starrockssim"
	"starkeep/workflows/spec"
)

func TestUpGoesOnWhereItStopped(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	repository := t.TempDir()
	sim := startCluster(t, repository)
	release := sim.HoldStates("sales", "SAVE_META")
	port, err := listenPort(0)
	if err != nil {
		t.Fatal(err)
	}
	opt := upOptions{Config: writeProfiles(t, sim.Address(), repository), Data: t.TempDir(), Ports: Ports{Temporal: port}}

	stopFirst := up(t, opt)
	c := dial(t, ctx, port)
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: spec.BackupID("test", "x"), TaskQueue: spec.TaskQueue},
		spec.BackupWorkflow, spec.Backup{Cluster: "test", Repository: "files"})
	if err != nil {
		t.Fatal(err)
	}
	waitUntil(t, ctx, "the BACKUP is submitted", func() bool { return len(sim.Accepted("BACKUP")) == 1 })
	c.Close()
	stopFirst()

	release()
	stopSecond := up(t, opt)
	defer stopSecond()
	c = dial(t, ctx, port)
	defer c.Close()
	var result spec.BackupResult
	if err := c.GetWorkflow(ctx, run.GetID(), run.GetRunID()).Get(ctx, &result); err != nil {
		t.Fatal(err)
	}
	if !result.Complete || result.Point == "" {
		t.Errorf("the backup that went on: %+v, want a complete restore point", result)
	}
	if n := len(sim.Accepted("BACKUP")); n != 1 {
		t.Errorf("BACKUP was accepted %d times, want once: the second process adopts the job", n)
	}
}

func TestUpRefusesAWrongConfigurationBeforeItStarts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	file := filepath.Join(t.TempDir(), "starkeep.yaml")
	const profiles = "clusters: {a: {addresses: [\"127.0.0.1:1\"], user: root}}\nrepositories: {b: {location: \"file:///b\"}}\n"
	for _, test := range []struct{ text, want string }{
		{"colour: red\n", "colour"},
		{"temporal: {address: \"10.0.0.1:7233\"}\n", "leave \"temporal\" out"},
	} {
		if err := os.WriteFile(file, []byte(test.text+profiles), 0o600); err != nil {
			t.Fatal(err)
		}
		err := runUp(t.Context(), upOptions{Config: file, Data: dir}, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("up with %q: %v, want an error about %q", test.text, err, test.want)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("up with %q made %s", test.text, dir)
		}
	}
}

// startCluster starts a simulated cluster with one table, and a repository on files in dir.
func startCluster(t *testing.T, dir string) *starrockssim.Cluster {
	t.Helper()
	sim, err := starrockssim.Start(starrockssim.Options{Tick: demoTick})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	orders := demoTables[0]
	for _, sql := range []string{
		"CREATE DATABASE sales",
		orders.Create,
		fmt.Sprintf("CREATE REPOSITORY files WITH BROKER ON LOCATION \"file://%s\"", dir),
	} {
		if err := sim.Exec(sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if err := sim.Load(orders.Database, orders.Name, orders.Rows()...); err != nil {
		t.Fatal(err)
	}
	return sim
}

// writeProfiles writes a configuration for that cluster.
func writeProfiles(t *testing.T, address, repository string) string {
	t.Helper()
	text := fmt.Sprintf("clusters:\n  test:\n    addresses: [%q]\n    user: root\n    timing:\n      heartbeat: 5s\n%s"+
		"repositories:\n  files:\n    location: file://%s\n", address, timing(demoTick), repository)
	file := filepath.Join(t.TempDir(), "starkeep.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// up runs the command up until stop, which waits for its end.
func up(t *testing.T, opt upOptions) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- runUp(ctx, opt, t.Output()) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("up ended with: %v", err)
		}
	}
}

// dial waits until the server of up answers.
func dial(t *testing.T, ctx context.Context, port int) client.Client {
	t.Helper()
	var c client.Client
	waitUntil(t, ctx, "Temporal answers", func() bool {
		var err error
		c, err = client.DialContext(ctx, client.Options{HostPort: hostPort(port), Logger: silent{}})
		return err == nil
	})
	return c
}

// waitUntil polls until the condition holds or ctx ends.
func waitUntil(t *testing.T, ctx context.Context, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s: %v", what, ctx.Err())
		case <-ticker.C:
		}
	}
}
