package main

import (
	"time"

	"github.com/spf13/pflag"

	"starkeep/workflows/spec"
)

// addLimits adds the flags of spec.Limits and returns their names.
func addLimits(f *pflag.FlagSet, limits *spec.Limits) []string {
	f.Var((*durationFlag)(&limits.UnitDuration), "unit-duration", "how `long` one BACKUP or RESTORE statement should take (default 10m)")
	f.IntVar(&limits.MaxTabletsPerUnit, "max-tablets-per-unit", 0, "most tablets (`n`) of one statement (default 20000)")
	f.IntVar(&limits.MaxPartitionsPerUnit, "max-partitions-per-unit", 0, "most partitions (`n`) of one statement (default no bound)")
	f.IntVar(&limits.ParallelDatabases, "parallel-databases", 0, "databases (`n`) worked on at once (default 8)")
	return []string{"unit-duration", "max-tablets-per-unit", "max-partitions-per-unit", "parallel-databases"}
}

// durationFlag is a spec.Duration on the command line; zero is not shown, it means the default.
type durationFlag spec.Duration

func (d *durationFlag) Type() string { return "duration" }

func (d *durationFlag) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}

func (d *durationFlag) Set(text string) error {
	parsed, err := time.ParseDuration(text)
	if err != nil {
		return usagef("%q is not a duration; write it like 90s, 10m or 72h", text)
	}
	*d = durationFlag(parsed)
	return nil
}
