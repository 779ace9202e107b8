package main

import (
	"context"
	"flag"
	"log"
	"os"
	"path/filepath"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	provisioner    = "fleetloom.io/local-volumes"
	provisionedBy  = "pv.kubernetes.io/provisioned-by"
	selectedNode   = "volume.kubernetes.io/selected-node"
	betweenLooks   = 300 * time.Millisecond
	anyoneMayWrite = 0o777
)

type volumes struct {
	client kubernetes.Interface
	folder string
	node   string
}

// localVolumes gives each claim that was scheduled to the node a directory of it, as a `local` volume: unlike with hostPath the
// pod's fsGroup applies. A volume whose claim is gone goes with its directory.
func localVolumes() {
	flags := flag.NewFlagSet("local-volumes", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "file that says where the API server is")
	folder := flags.String("folder", "", "where the volumes' directories are made")
	node := flags.String("node", "node1", "name of the node")
	_ = flags.Parse(os.Args[1:])
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		log.Fatal(err)
	}
	all := volumes{kubernetes.NewForConfigOrDie(config), *folder, *node}
	for ; ; time.Sleep(betweenLooks) {
		if err := all.look(context.Background()); err != nil {
			log.Println(err)
		}
	}
}

func (v volumes) look(ctx context.Context) error {
	classes, err := v.client.StorageV1().StorageClasses().List(ctx, meta.ListOptions{})
	if err != nil {
		return err
	}
	claims, err := v.client.CoreV1().PersistentVolumeClaims("").List(ctx, meta.ListOptions{})
	if err != nil {
		return err
	}
	have, err := v.sweep(ctx)
	if err != nil {
		return err
	}
	for _, class := range classes.Items {
		for _, claim := range claims.Items {
			wanted := class.Provisioner == provisioner && claim.Spec.StorageClassName != nil && *claim.Spec.StorageClassName == class.Name
			pending := claim.Status.Phase == core.ClaimPending && claim.Annotations[selectedNode] == v.node
			if wanted && pending && !have[nameOf(claim)] {
				if err := v.provide(ctx, claim); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func nameOf(claim core.PersistentVolumeClaim) string { return "pvc-" + string(claim.UID) }

// sweep removes what was released and tells the names of all volumes.
func (v volumes) sweep(ctx context.Context) (map[string]bool, error) {
	list, err := v.client.CoreV1().PersistentVolumes().List(ctx, meta.ListOptions{})
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, volume := range list.Items {
		names[volume.Name] = true
		if volume.Annotations[provisionedBy] == provisioner && volume.Status.Phase == core.VolumeReleased {
			if err := os.RemoveAll(filepath.Join(v.folder, volume.Name)); err != nil {
				return nil, err
			}
			if err := v.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, meta.DeleteOptions{}); err != nil {
				return nil, err
			}
		}
	}
	return names, nil
}

func (v volumes) provide(ctx context.Context, claim core.PersistentVolumeClaim) error {
	path := filepath.Join(v.folder, nameOf(claim))
	if err := os.MkdirAll(path, anyoneMayWrite); err != nil {
		return err
	}
	if err := os.Chmod(path, anyoneMayWrite); err != nil {
		return err
	}
	onNode := core.NodeSelectorRequirement{Key: core.LabelHostname, Operator: core.NodeSelectorOpIn, Values: []string{v.node}}
	volume := &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: nameOf(claim), Annotations: map[string]string{provisionedBy: provisioner}},
		Spec: core.PersistentVolumeSpec{
			StorageClassName:              *claim.Spec.StorageClassName,
			AccessModes:                   claim.Spec.AccessModes,
			Capacity:                      core.ResourceList{core.ResourceStorage: claim.Spec.Resources.Requests[core.ResourceStorage]},
			PersistentVolumeReclaimPolicy: core.PersistentVolumeReclaimDelete,
			PersistentVolumeSource:        core.PersistentVolumeSource{Local: &core.LocalVolumeSource{Path: path}},
			ClaimRef: &core.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			NodeAffinity: &core.VolumeNodeAffinity{Required: &core.NodeSelector{
				NodeSelectorTerms: []core.NodeSelectorTerm{{MatchExpressions: []core.NodeSelectorRequirement{onNode}}},
			}},
		},
	}
	_, err := v.client.CoreV1().PersistentVolumes().Create(ctx, volume, meta.CreateOptions{})
	return err
}
