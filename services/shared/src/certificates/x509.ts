/** `@peculiar/x509`, which needs the metadata API to be there before it. */
import 'reflect-metadata'

export * from '@peculiar/x509'
