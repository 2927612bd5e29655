package testbed

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"starkeep/test/starrockssim"
)

var addressLine = regexp.MustCompile(`(?m)^    addresses: .*$`)

// AddCluster starts a further simulated cluster, with nothing in it and no repository, and gives the configuration a
// profile of it like the first one's. Workers that run already do not know it.
func (b *Bed) AddCluster(t testing.TB, name string, o Options) *starrockssim.Cluster {
	t.Helper()
	o = o.withDefaults()
	sim, err := starrockssim.Start(starrockssim.Options{
		Name: name, Tick: o.Tick, Frontends: o.Frontends, Backends: o.Backends, Version: o.Version, Users: map[string]string{"root": "", "starkeep": o.Password},
		OpenStore: openNative(o.Repositories),
	})
	if err != nil {
		t.Fatalf("start the simulated StarRocks %s: %v", name, err)
	}
	t.Cleanup(sim.Close)
	text, err := os.ReadFile(b.Config)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(text), "\nclusters:\n")
	profiles, repositories, found := strings.Cut(rest, "\nrepositories:\n")
	if !found {
		t.Fatalf("the configuration has no clusters before its repositories:\n%s", text)
	}
	_, first, _ := strings.Cut("\n"+profiles, "\n  "+ClusterName+":\n")
	further := "  " + name + ":\n" + addressLine.ReplaceAllString(first, "    addresses: "+yamlList(sim.Addresses()))
	all := fmt.Sprintf("%s\nclusters:\n%s\n%s\nrepositories:\n%s", before, further, profiles, repositories)
	if err := os.WriteFile(b.Config, []byte(all), 0o600); err != nil {
		t.Fatal(err)
	}
	return sim
}
