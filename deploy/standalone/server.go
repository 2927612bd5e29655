package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership/static"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/schema/sqlite"
	"go.temporal.io/server/temporal"
	"google.golang.org/protobuf/types/known/durationpb"

	"starkeep/workflows/spec"
)

const (
	namespace   = "default"
	clusterName = "active"
	loopback    = "127.0.0.1"

	// retention is how long finished runs can be looked at. The server's own default is one day, too short to ask a week
	// later what a backup did.
	retention = 30 * 24 * time.Hour

	serverStart = 60 * time.Second
)

// temporalServer is a whole Temporal server in this process, on one SQLite file.
type temporalServer struct {
	Address string // host:port of its frontend
	server  temporal.Server
}

// startTemporal starts a Temporal server that keeps its state in dir, listening on 127.0.0.1:port (0: a free port), and
// waits until it answers. What was running when the last server on dir ended, however it ended, goes on.
func startTemporal(ctx context.Context, dir string, port int) (*temporalServer, error) {
	port, err := listenPort(port)
	if err != nil {
		return nil, fmt.Errorf("temporal server: %w", err)
	}
	cfg, hosts, err := serverConfig(port)
	if err != nil {
		return nil, err
	}
	store, err := openDatabase(filepath.Join(dir, "temporal.db"))
	if err != nil {
		return nil, err
	}
	cfg.Persistence.DataStores = map[string]config.DataStore{"sqlite": {SQL: store}}
	logger := log.NewZapLogger(log.BuildZapLogger(log.Config{Level: "warn", OutputFile: filepath.Join(dir, "temporal.log")}))
	server, err := temporal.NewServer(
		temporal.WithConfig(cfg),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(hosts),
		temporal.WithLogger(logger),
		temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
		temporal.WithDynamicConfigClient(tuning()),
	)
	if err != nil {
		return nil, fmt.Errorf("temporal server: %w", err)
	}
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("temporal server: %w", err)
	}
	t := &temporalServer{Address: hostPort(port), server: server}
	if err := t.waitReady(ctx); err != nil {
		return nil, errors.Join(err, t.Stop())
	}
	return t, nil
}

// Stop ends the server; its state stays.
func (t *temporalServer) Stop() error { return t.server.Stop() }

func (t *temporalServer) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, serverStart)
	defer cancel()
	for {
		c, err := client.DialContext(ctx, client.Options{HostPort: t.Address, Namespace: namespace, Logger: silent{}})
		if err == nil {
			c.Close()
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("temporal server at %s did not answer: %w", t.Address, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// tuning lifts limits that only make sense on shared servers: at their defaults each step of a workflow waits 45 ms
// twice for its turn.
func tuning() dynamicconfig.Client {
	return dynamicconfig.StaticClient{
		dynamicconfig.TransferProcessorMaxPollRPS.Key():  1000,
		dynamicconfig.EnableActivityEagerExecution.Key(): true,
	}
}

// openDatabase makes file with its tables and the namespace, unless it is there. A half-made file is never left behind.
func openDatabase(file string) (*config.SQL, error) {
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		if err := createDatabase(file); err != nil {
			return nil, fmt.Errorf("database of the Temporal server: %w", err)
		}
	}
	store := sqliteStore(file)
	ns, err := sqlite.NewNamespaceConfig(clusterName, namespace, false, searchAttributes())
	if err != nil {
		return nil, fmt.Errorf("namespace %s: %w", namespace, err)
	}
	ns.Detail.Config.Retention = durationpb.New(retention)
	if err := sqlite.CreateNamespaces(store, ns); err != nil {
		return nil, fmt.Errorf("namespace %s: %w", namespace, err)
	}
	return store, nil
}

// searchAttributes are the worker's. It registers them too, but a server takes seconds to believe in new ones, and
// refuses the first workflows meanwhile.
func searchAttributes() map[string]enums.IndexedValueType {
	return map[string]enums.IndexedValueType{
		spec.AttributeCluster:  enums.INDEXED_VALUE_TYPE_KEYWORD,
		spec.AttributeDatabase: enums.INDEXED_VALUE_TYPE_KEYWORD,
		spec.AttributePhase:    enums.INDEXED_VALUE_TYPE_KEYWORD,
		spec.AttributePoint:    enums.INDEXED_VALUE_TYPE_KEYWORD,
		spec.AttributeBytes:    enums.INDEXED_VALUE_TYPE_INT,
	}
}

func createDatabase(file string) error {
	fresh := file + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	// No write-ahead log yet: what is renamed must be all there is.
	store := sqliteStore(fresh)
	delete(store.ConnectAttributes, "journal_mode")
	if err := sqlite.SetupSchema(store); err != nil {
		return err
	}
	return os.Rename(fresh, file)
}

// sqliteStore asks for a write-ahead log and a sync at each commit: what was acknowledged survives a power cut.
func sqliteStore(file string) *config.SQL {
	return &config.SQL{
		PluginName:   sqliteplugin.PluginName,
		DatabaseName: file,
		ConnectAttributes: map[string]string{
			"mode":         "rwc",
			"journal_mode": "wal",
			"synchronous":  "full",
		},
	}
}

// serverConfig describes one server with all four services on loopback ports.
func serverConfig(port int) (*config.Config, map[primitives.ServiceName]static.Hosts, error) {
	address := hostPort(port)
	cfg := &config.Config{
		Persistence: config.Persistence{DefaultStore: "sqlite", VisibilityStore: "sqlite", NumHistoryShards: 1},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        clusterName,
			CurrentClusterName:       clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{
				clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: address},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		PublicClient:        config.PublicClient{HostPort: address},
		Services:            map[string]config.Service{},
	}
	cfg.Global.Membership = config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: loopback}
	cfg.Archival.History.State, cfg.Archival.Visibility.State = "disabled", "disabled"
	cfg.NamespaceDefaults.Archival.History.State, cfg.NamespaceDefaults.Archival.Visibility.State = "disabled", "disabled"

	hosts := map[primitives.ServiceName]static.Hosts{}
	for _, service := range []primitives.ServiceName{
		primitives.FrontendService, primitives.HistoryService, primitives.MatchingService, primitives.WorkerService,
	} {
		servicePort := port
		if service != primitives.FrontendService {
			var err error
			if servicePort, err = listenPort(0); err != nil {
				return nil, nil, fmt.Errorf("temporal server: %w", err)
			}
		}
		cfg.Services[string(service)] = config.Service{RPC: config.RPC{GRPCPort: servicePort, BindOnIP: loopback}}
		hosts[service] = static.SingleLocalHost(hostPort(servicePort))
	}
	return cfg, hosts, nil
}
