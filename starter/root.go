package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8/cwriter"
	"go.temporal.io/sdk/client"
)

// cli is what every command works with. Tests give it other streams, another clock and their own Ctrl-C.
type cli struct {
	in  *bufio.Reader
	out io.Writer // data only
	err io.Writer // everything else

	live    bool // err is a terminal: lines may be redrawn
	canAsk  bool // a person can answer a question
	width   func() (columns, rows int)
	now     func() time.Time
	signals func() (arrive <-chan os.Signal, stop func())
	dial    func(context.Context, client.Options) (client.Client, error)

	address, namespace string
	format             string
	parsed             bool // arguments were understood; errors before that are usage errors
}

func newCLI(in, out, errOut *os.File) *cli {
	live := cwriter.IsTerminal(int(errOut.Fd()))
	return &cli{
		in: bufio.NewReader(in), out: out, err: errOut,
		live:    live,
		canAsk:  live && cwriter.IsTerminal(int(in.Fd())),
		width:   func() (int, int) { return terminalSize(errOut) },
		now:     time.Now,
		signals: interrupts,
		dial:    client.DialContext,
	}
}

func terminalSize(f *os.File) (columns, rows int) {
	columns, rows, err := cwriter.GetSize(int(f.Fd()))
	if err != nil || columns <= 0 {
		return 80, 24
	}
	return columns, rows
}

// interrupts delivers Ctrl-C and SIGTERM until stop is called; after that they end the process as usual.
func interrupts() (<-chan os.Signal, func()) {
	arrive := make(chan os.Signal, 4)
	signal.Notify(arrive, os.Interrupt, syscall.SIGTERM)
	return arrive, func() { signal.Stop(arrive) }
}

// run executes one command line and returns the process's exit code.
func (c *cli) run(ctx context.Context, args []string) int {
	root := c.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil && !c.parsed {
		err = usageError{err.Error()}
	}
	c.report(err)
	return exitCode(err)
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "starkeep",
		Short:         "Back up and restore StarRocks databases, durably",
		Long:          "starkeep backs up and restores StarRocks databases through Temporal workflows: what is started here goes on\nwithout this terminal, survives crashes, and can be watched, paused and cancelled from anywhere.",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(checkFormat(c.format), cmd.ValidateFlagGroups()); err != nil {
				return err
			}
			c.parsed = true
			return nil
		},
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetOut(c.out)
	root.SetErr(c.err)
	flags := root.PersistentFlags()
	flags.StringVar(&c.address, "address", "", "Temporal's `HOST:PORT` (default: TEMPORAL_ADDRESS, the Temporal profile, or localhost:7233)")
	flags.StringVar(&c.namespace, "namespace", "", "Temporal namespace (`NAME`; default: TEMPORAL_NAMESPACE, the Temporal profile, or default)")
	flags.StringVarP(&c.format, "output", "o", formatTable, "`format` of stdout: table, json or yaml")
	root.AddCommand(c.backup(), c.restore(), c.migrate(), c.job(), c.repo(), c.schedule(), c.status(), c.config(), c.version())
	return root
}

// noun makes a command that only holds verbs, and says so when it is given something else.
func noun(name, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   name,
		Short: short,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("starkeep %s has no command %q; it has %s", name, args[0], verbList(cmd))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(verbs...)
	return cmd
}

func verbList(cmd *cobra.Command) string {
	var names []string
	for _, verb := range cmd.Commands() {
		if verb.IsAvailableCommand() {
			names = append(names, verb.Name())
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// noArgs refuses arguments and guesses what was meant.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.Flags().Lookup("cluster") != nil {
		return usagef("%s takes no arguments; did you mean --cluster %s?", cmd.CommandPath(), args[0])
	}
	return usagef("%s takes no arguments, got %q", cmd.CommandPath(), args[0])
}

// oneArg wants exactly one argument and says what it is.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return usagef("%s wants %s, got %d arguments; see %s --help", cmd.CommandPath(), what, len(args), cmd.CommandPath())
	}
}
