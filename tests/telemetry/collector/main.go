// An OpenTelemetry Collector with one receiver, OTLP, and one exporter, which writes what came as lines of JSON.
//
//	collector --config FILE
package main

import (
	"context"
	"fmt"
	"os"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

// A line is {"traces": …}, {"metrics": …} or {"logs": …}: the request as the collector writes it.
type lines struct {
	component.StartFunc
	component.ShutdownFunc
	mutex sync.Mutex
	file  *os.File
}

type settings struct {
	Path string `mapstructure:"path"`
}

func (to *lines) write(signal string, body []byte, err error) error {
	if err != nil {
		return err
	}
	to.mutex.Lock()
	defer to.mutex.Unlock()
	_, err = fmt.Fprintf(to.file, "{%q:%s}\n", signal, body)
	return err
}

func (*lines) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (to *lines) ConsumeTraces(_ context.Context, what ptrace.Traces) error {
	body, err := (&ptrace.JSONMarshaler{}).MarshalTraces(what)
	return to.write("traces", body, err)
}

func (to *lines) ConsumeMetrics(_ context.Context, what pmetric.Metrics) error {
	body, err := (&pmetric.JSONMarshaler{}).MarshalMetrics(what)
	return to.write("metrics", body, err)
}

func (to *lines) ConsumeLogs(_ context.Context, what plog.Logs) error {
	body, err := (&plog.JSONMarshaler{}).MarshalLogs(what)
	return to.write("logs", body, err)
}

func open(config component.Config) (*lines, error) {
	file, err := os.OpenFile(config.(*settings).Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	return &lines{file: file}, err
}

func components() (otelcol.Factories, error) {
	receivers, err := otelcol.MakeFactoryMap(otlpreceiver.NewFactory())
	if err != nil {
		return otelcol.Factories{}, err
	}
	exporters, err := otelcol.MakeFactoryMap(exporter.NewFactory(
		component.MustNewType("lines"), func() component.Config { return &settings{} },
		exporter.WithTraces(func(_ context.Context, _ exporter.Settings, config component.Config) (exporter.Traces, error) {
			return open(config)
		}, component.StabilityLevelStable),
		exporter.WithMetrics(func(_ context.Context, _ exporter.Settings, config component.Config) (exporter.Metrics, error) {
			return open(config)
		}, component.StabilityLevelStable),
		exporter.WithLogs(func(_ context.Context, _ exporter.Settings, config component.Config) (exporter.Logs, error) {
			return open(config)
		}, component.StabilityLevelStable)))
	return otelcol.Factories{Receivers: receivers, Exporters: exporters, Telemetry: otelconftelemetry.NewFactory()}, err
}

func main() {
	command := otelcol.NewCommand(otelcol.CollectorSettings{
		BuildInfo: component.BuildInfo{Command: "collector", Description: "of Travertine's tests", Version: "1"},
		Factories: components,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{ResolverSettings: confmap.ResolverSettings{
			DefaultScheme:     "file",
			ProviderFactories: []confmap.ProviderFactory{fileprovider.NewFactory()},
		}},
	})
	if err := command.Execute(); err != nil {
		os.Exit(1)
	}
}
