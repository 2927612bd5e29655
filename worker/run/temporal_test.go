package run

import (
	"os"
	"testing"

	"go.temporal.io/sdk/client"

	"starkeep/worker/config"
)

func TestWhereTemporalIs(t *testing.T) {
	tests := []struct {
		name                       string
		given                      client.Options
		config                     config.Temporal
		address, namespace         string // of the environment
		wantAddress, wantNamespace string
	}{
		{name: "nothing is said", wantNamespace: client.DefaultNamespace},
		{name: "the environment", address: "env:1", namespace: "env", wantAddress: "env:1", wantNamespace: "env"},
		{name: "the configuration comes first", config: config.Temporal{Address: "conf:1", Namespace: "conf"}, address: "env:1", namespace: "env", wantAddress: "conf:1", wantNamespace: "conf"},
		{name: "each for itself", config: config.Temporal{Address: "conf:1"}, namespace: "env", wantAddress: "conf:1", wantNamespace: "env"},
		{name: "a caller's own server", given: client.Options{HostPort: "given:1"}, address: "env:1", namespace: "env", wantAddress: "given:1", wantNamespace: client.DefaultNamespace},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("TEMPORAL_CONFIG_FILE", os.DevNull)
			t.Setenv("TEMPORAL_ADDRESS", tt.address)
			t.Setenv("TEMPORAL_NAMESPACE", tt.namespace)
			got, err := temporalOptions(Options{Config: &config.Config{Temporal: tt.config}, Temporal: tt.given})
			if err != nil {
				t.Fatal(err)
			}
			if got.HostPort != tt.wantAddress || got.Namespace != tt.wantNamespace {
				t.Errorf("%q, namespace %q; want %q, %q", got.HostPort, got.Namespace, tt.wantAddress, tt.wantNamespace)
			}
		})
	}
}
