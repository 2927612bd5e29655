package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"starkeep/worker/config"
)

// realTick is how often a real FE looks after its jobs. The waiting times in a profile are meant for that pace.
const realTick = 3 * time.Second

// writeConfig writes the worker's configuration into the data directory, as a user would write it, and reads it back.
// Secrets are in files of their own.
func (d *demo) writeConfig() (*config.Config, error) {
	for name, secret := range map[string]string{"s3-access-key": d.s3.AccessKey, "s3-secret-key": d.s3.SecretKey} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(secret+"\n"), 0o600); err != nil {
			return nil, err
		}
	}
	file := filepath.Join(d.dir, "starkeep.yaml")
	if err := os.WriteFile(file, []byte(d.configText()), 0o600); err != nil {
		return nil, err
	}
	return config.Load(file)
}

func (d *demo) configText() string {
	return fmt.Sprintf(`# Written by the demo. docs/starkeep.sample.yaml explains every key.
clusters:
  %s:
    addresses: [%q]
    user: root
    timing:
      heartbeat: 5s # short, so that progress is told often
%s
repositories:
  %s:
    location: %s
    s3:
      endpoint: %s
      region: %s
      pathStyle: true
      accessKey: file:s3-access-key
      secretKey: file:s3-secret-key
`, demoCluster, d.sim.Address(), timing(d.opt.Tick), demoRepository, d.location(), d.s3.Endpoint, gatewayRegion)
}

// timing scales the waiting times of a profile with a simulated cluster's clocks.
func timing(tick time.Duration) string {
	text := ""
	for _, t := range []struct {
		key string
		at  time.Duration // at the pace of a real FE
	}{
		{"tick", realTick},
		{"pollInterval", time.Second},
		{"backendSettle", 30 * time.Second},
		{"heartbeatAge", 10 * time.Second},
		{"hungJob", 30 * time.Second},
		{"lostJob", 30 * time.Second},
		{"submitRetry", 5 * time.Second},
	} {
		scaled := time.Duration(float64(t.at) * float64(tick) / float64(realTick))
		text += fmt.Sprintf("      %s: %s\n", t.key, max(scaled.Round(time.Millisecond), 10*time.Millisecond))
	}
	return text
}
