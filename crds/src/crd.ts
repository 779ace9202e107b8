/** The CustomResourceDefinition of a kind. Pure: the same schemas give the same object. */
import { GROUP, KINDS, type KindName, resourceSchema, VERSION } from './kinds.ts'

export const crdOf = (name: KindName) => {
  const { kind, plural, singular, shortNames, categories, columns } = KINDS[name]
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: 'Namespaced',
      names: { kind, plural, singular, listKind: `${kind}List`, shortNames, categories },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: columns,
          schema: { openAPIV3Schema: resourceSchema(name) },
        },
      ],
    },
  }
}
