package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release is set by the linker in release builds: -ldflags "-X main.release=v1.2.3".
var release = "dev"

// versionInfo is what version prints.
type versionInfo struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // built from a tree with changes of its own
	Go       string `json:"go"`
	Platform string `json:"platform"`
	SDK      string `json:"temporalSdk,omitempty"`
}

func (c *cli) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show what this starkeep is",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			info := currentVersion()
			return c.print(info, func(w io.Writer) { writeVersion(w, info) })
		},
	}
}

func currentVersion() versionInfo {
	info := versionInfo{Version: release, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	built, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	for _, setting := range built.Settings {
		switch setting.Key {
		case "vcs.revision":
			info.Commit = setting.Value
		case "vcs.modified":
			info.Modified = setting.Value == "true"
		}
	}
	for _, module := range built.Deps {
		if module.Path == "go.temporal.io/sdk" {
			info.SDK = module.Version
		}
	}
	return info
}

func writeVersion(w io.Writer, info versionInfo) {
	fmt.Fprintf(w, "starkeep %s", info.Version)
	if info.Commit != "" {
		fmt.Fprintf(w, " (%.12s", info.Commit)
		if info.Modified {
			fmt.Fprint(w, ", modified")
		}
		fmt.Fprint(w, ")")
	}
	fmt.Fprintf(w, ", %s, %s, Temporal SDK %s\n", info.Go, info.Platform, orDefault(info.SDK, "unknown"))
}
