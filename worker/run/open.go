package run

import (
	"context"
	"errors"
	"fmt"
	"net"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"starkeep/activities"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/worker/config"
	"starkeep/workflows/spec"
)

// Open makes the activities of the configuration's profiles. Secrets are read here; nothing is asked of clusters yet.
func Open(ctx context.Context, c *config.Config) (*Opened, error) {
	opened := &Opened{}
	var clusters []*activities.Cluster
	for _, name := range c.ClusterNames() {
		cluster, err := openCluster(name, c.Clusters[name])
		if err != nil {
			return nil, errors.Join(fmt.Errorf("cluster %s: %w", name, err), opened.Close())
		}
		opened.close = append(opened.close, cluster.FE.Close)
		clusters = append(clusters, cluster)
	}
	var repositories []*activities.Repository
	for _, name := range c.RepositoryNames() {
		r, err := openRepository(ctx, name, c.Repositories[name])
		if err != nil {
			return nil, errors.Join(fmt.Errorf("repository %s: %w", name, err), opened.Close())
		}
		opened.close = append(opened.close, r.Store.Close)
		repositories = append(repositories, r)
	}
	var mirrors []*activities.Mirror
	for _, name := range c.MirrorNames() {
		m, err := openMirror(ctx, name, c.Mirrors[name])
		if err != nil {
			return nil, errors.Join(fmt.Errorf("mirror %s: %w", name, err), opened.Close())
		}
		opened.close = append(opened.close, m.Store.Close)
		mirrors = append(mirrors, m)
	}
	opened.Activities = activities.New(clusters, repositories, mirrors...)
	opened.Activities.Timetable = c.Timetable()
	return opened, nil
}

func openCluster(name string, p config.Cluster) (*activities.Cluster, error) {
	settings, err := p.Client()
	if err != nil {
		return nil, err
	}
	fe, err := starrocks.Open(settings)
	if err != nil {
		return nil, err
	}
	t, l := p.Timing, p.Limits
	return &activities.Cluster{
		Name: name, FE: fe,
		Timing: activities.Timing{
			Poll: t.PollInterval, Heartbeat: t.Heartbeat, ErrorStall: t.ErrorStall, StallWarn: t.StallWarn, StallCancel: t.StallCancel,
			HungJob: t.HungJob, Settle: t.BackendSettle, HeartbeatAge: t.HeartbeatAge, LostJob: t.LostJob, Tick: t.Tick, SubmitRetry: t.SubmitRetry,
		},
		Limits: activities.Limits{
			UnitDuration: l.UnitDuration, MaxTablets: l.MaxTabletsPerUnit, MaxPartitions: l.MaxPartitionsPerUnit,
			ParallelDatabases: l.ParallelDatabases, BytesPerSecond: int64(l.BytesPerSecond),
		},
	}, nil
}

func openMirror(ctx context.Context, name string, p config.Mirror) (*activities.Mirror, error) {
	settings, err := p.Store()
	if err != nil {
		return nil, err
	}
	store, err := openStore(ctx, settings, p.Bandwidth)
	if err != nil {
		return nil, err
	}
	return &activities.Mirror{Name: name, Location: p.Location, Kind: activities.Kind(p.Kind()), Credential: p.Credential(), Store: store}, nil
}

// openStore opens a location; bandwidth bounds what this worker reads and writes there, 0 does not.
func openStore(ctx context.Context, settings storage.Config, bandwidth config.Size) (storage.Store, error) {
	store, err := storage.Open(ctx, settings)
	if err != nil || bandwidth == 0 {
		return store, err
	}
	return storage.LimitBandwidth(store, func() int64 { return int64(bandwidth) }), nil
}

func openRepository(ctx context.Context, name string, p config.Repository) (*activities.Repository, error) {
	settings, err := p.Store()
	if err != nil {
		return nil, err
	}
	store, err := openStore(ctx, settings, p.Bandwidth)
	if err != nil {
		return nil, err
	}
	native := p.NativeName
	if native == "" {
		native = name
	}
	return &activities.Repository{
		Name: name, Native: native, Location: p.NativeLocation(), Kind: activities.Kind(p.Kind()),
		Credential: p.Credential(), Properties: p.NativeProperties, Store: store,
	}, nil
}

// addSearchAttributes registers ours. A server that has them, or that does not let a worker add any, is fine: the
// attributes only make runs easier to find.
func addSearchAttributes(ctx context.Context, c client.Client, namespace string) error {
	_, err := c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace,
		SearchAttributes: map[string]enumspb.IndexedValueType{
			spec.AttributeCluster:  enumspb.INDEXED_VALUE_TYPE_KEYWORD,
			spec.AttributeDatabase: enumspb.INDEXED_VALUE_TYPE_KEYWORD,
			spec.AttributePhase:    enumspb.INDEXED_VALUE_TYPE_KEYWORD,
			spec.AttributePoint:    enumspb.INDEXED_VALUE_TYPE_KEYWORD,
			spec.AttributeBytes:    enumspb.INDEXED_VALUE_TYPE_INT,
		},
	})
	var exists *serviceerror.AlreadyExists
	var denied *serviceerror.PermissionDenied
	if err == nil || errors.As(err, &exists) || errors.As(err, &denied) {
		return nil
	}
	return fmt.Errorf("register search attributes in namespace %s: %w", namespace, err)
}

func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve health and metrics: %w", err)
	}
	return l, nil
}
