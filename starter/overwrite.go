package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"starkeep/workflows/spec"
)

// addConsent adds the flags without which a restore does not destroy anything.
func (r *restoreInput) addConsent(f *pflag.FlagSet) []string {
	f.BoolVar(&r.ConfirmOverwrite, "yes-overwrite", false, "agree that --on-existing overwrite destroys what is in the tables, and that nothing loads into them meanwhile")
	f.BoolVar(&r.AllowAutoIncrementReset, "allow-auto-increment-reset", false, "agree that AUTO_INCREMENT of tables that are restored into goes back to where it was at the backup")
	f.BoolVar(&r.NoSafetyPoint, "no-safety-point", false, "do not back up what is replaced or overwritten: there is no way back then")
	return []string{"yes-overwrite", "allow-auto-increment-reset", "no-safety-point"}
}

// checkConsent asks for the flag that agrees to an overwrite, in the words of the command line.
func (r restoreInput) checkConsent() error {
	if r.OnExisting == spec.OnExistingOverwrite && !r.ConfirmOverwrite && !r.DryRun {
		return usagef("--on-existing overwrite destroys what is in the tables: say so with --yes-overwrite, or use --on-existing swap")
	}
	return nil
}

// writeSafety says where what was replaced is kept.
func writeSafety(w io.Writer, s *spec.SafetyPoint) {
	if s != nil {
		fmt.Fprintf(w, "\nWhat was replaced or overwritten is in restore point %s of repository %s.\n", oneLine(s.Point), oneLine(s.Repository))
	}
}

// writeInterrupted shows what a broken COMMIT left, and the statement that mends it.
func writeInterrupted(w io.Writer, list []spec.InterruptedCommit) {
	for _, i := range list {
		fmt.Fprintf(w, "\nINTERRUPTED IN COMMIT: database %s, %s\n", oneLine(i.Database), oneLine(strings.Join(i.Tables, ", ")))
		fmt.Fprintf(w, "  state:     %s\n", oneLine(i.State))
		fmt.Fprintf(w, "  statement: %s\n", oneLine(i.Statement))
	}
}
