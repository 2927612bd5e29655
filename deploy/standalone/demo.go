package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"starkeep/test/starrockssim"
	"starkeep/workflows/spec"
)

const (
	demoCluster    = "demo"   // name of the cluster's profile
	demoRepository = "backup" // name of the repository, its profile and its directory in the bucket
	demoBucket     = "starkeep-demo"
)

// demoOptions are the flags of the command demo.
type demoOptions struct {
	Data  string        // directory for all state; "" is a temporary one
	Keep  bool          // stay up at the end
	Tick  time.Duration // of the simulated cluster: 3s in StarRocks
	Ports Ports
}

func demoCommand() *cobra.Command {
	var opt demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Back up, damage, restore and compare a simulated StarRocks cluster",
		Long: "Starts Temporal, its web UI, an S3 server, a simulated StarRocks cluster with 3 BEs and the worker, all in this\n" +
			"process and on 127.0.0.1. Makes two databases, backs them up, damages them, restores them and compares every table\n" +
			"with what was there. Ends with 0 only if everything is equal.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDemo(cmd.Context(), opt, cmd.OutOrStdout()) },
	}
	cmd.Flags().BoolVar(&opt.Keep, "keep", false, "stay up at the end, to look around")
	cmd.Flags().StringVar(&opt.Data, "data", "", "`directory` where state lives; new or empty (default: a temporary one)")
	cmd.Flags().DurationVar(&opt.Tick, "tick", 3*time.Second, "how often the simulated FE looks after its jobs; 3s in StarRocks")
	cmd.Flags().IntVar(&opt.Ports.Temporal, "port", 0, "port of the Temporal server (0: any free one)")
	cmd.Flags().IntVar(&opt.Ports.UI, "ui-port", 0, "port of the web UI (0: any free one)")
	return cmd
}

// demo is one run of the demo: what is up, and what was seen so far.
type demo struct {
	opt    demoOptions
	dir    string
	out    io.Writer
	engine *engine
	s3     *s3Gateway
	sim    *starrockssim.Cluster
	fail   context.CancelCauseFunc // ends the demo, when the worker does
	stop   []func() error          // what to stop, last started first

	before  map[string]tableState // by "db.table", before the damage
	after   map[string]tableState
	damage  map[string]string // by "db.table": what was done to it
	backup  spec.BackupResult
	restore spec.RestoreResult
	point   spec.PointDetails
	took    map[string]time.Duration // by workflow name
}

// runDemo tells and does the whole story. A nil error means that every table is what it was.
func runDemo(ctx context.Context, opt demoOptions, out io.Writer) (err error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	d := &demo{opt: opt, out: out, fail: fail, took: map[string]time.Duration{}}
	if err := d.chooseDirectory(); err != nil {
		return err
	}
	defer func() { err = d.shutDown(err) }()
	for _, step := range []struct {
		tell string
		do   func(context.Context) error
	}{
		{"Starting Temporal, its web UI, an S3 server, a StarRocks cluster with 3 BEs and the worker", d.start},
		{"Making the databases sales and web", d.fill},
		{"Creating the repository " + demoRepository + " on s3://" + demoBucket, d.createRepository},
		{"Backing up both databases (workflow Backup)", d.runBackup},
		{"Damaging the data", d.doDamage},
		{"Restoring what was damaged (workflow Restore)", d.runRestore},
		{"Comparing every table with what was there", d.compare},
	} {
		d.say("\n== %s\n", step.tell)
		if err := step.do(ctx); err != nil {
			return reason(ctx, err)
		}
	}
	equal := d.report()
	if d.opt.Keep {
		d.lookAround()
		<-ctx.Done()
	}
	if !equal {
		return errors.New("not everything is what it was")
	}
	return nil
}

// reason is why ctx was ended, where that is what err is about.
func reason(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, format, args...) }

// chooseDirectory makes the data directory. The simulated cluster keeps its data in memory, so a demo cannot go on
// where another one stopped.
func (d *demo) chooseDirectory() error {
	if d.opt.Data == "" {
		dir, err := os.MkdirTemp("", "starkeep-demo-")
		d.dir = dir
		return err
	}
	dir, err := userPath(d.opt.Data)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty; a demo starts from nothing: give it a new directory", dir)
	}
	d.dir = dir
	return nil
}

// shutDown stops everything and removes a temporary directory, unless it is needed to find out what went wrong.
func (d *demo) shutDown(err error) error {
	for i := len(d.stop) - 1; i >= 0; i-- {
		err = errors.Join(err, d.stop[i]())
	}
	switch {
	case d.opt.Data != "":
		d.say("State is in %s\n", d.dir)
	case err != nil:
		d.say("\nLogs and state are in %s\n", d.dir)
	default:
		err = os.RemoveAll(d.dir)
	}
	return err
}

// start brings everything up, in the order in which it is needed.
func (d *demo) start(ctx context.Context) error {
	var err error
	if d.engine, err = startEngine(ctx, filepath.Join(d.dir, "temporal"), d.opt.Ports); err != nil {
		return err
	}
	d.stop = append(d.stop, d.engine.Stop)
	if d.s3, err = startGateway(ctx, filepath.Join(d.dir, "s3"), demoBucket, 0); err != nil {
		return err
	}
	d.stop = append(d.stop, d.s3.Stop)
	if d.sim, err = starrockssim.Start(starrockssim.Options{Name: demoCluster, Tick: d.opt.Tick}); err != nil {
		return err
	}
	d.stop = append(d.stop, func() error { d.sim.Close(); return nil })
	stopWorker, err := d.startWorker(ctx, d.fail)
	if err != nil {
		return err
	}
	d.stop = append(d.stop, stopWorker)
	d.say("   web UI     %s\n   Temporal   %s\n   StarRocks  mysql://root@%s\n   S3         %s\n",
		d.engine.UI.Address, d.engine.Temporal.Address, d.sim.Address(), d.s3.Endpoint)
	return nil
}

// lookAround tells how to reach everything while it stays up.
func (d *demo) lookAround() {
	d.say("\nEverything stays up until Ctrl-C. To look around ("+
		"make build tools):\n\n"+
		"  %s\n\n"+
		"  export TEMPORAL_ADDRESS=%s\n"+
		"  bin/temporal workflow list\n"+
		"  bin/starkeep backup list --cluster %s --repository %s\n"+
		"  mariadb -h 127.0.0.1 -P %s -u root\n",
		d.engine.UI.Address, d.engine.Temporal.Address, demoCluster, demoRepository, portOf(d.sim.Address()))
}
