import { mqtt, type MqttOptions } from '../../../src/mqtt.ts';

export default (options: MqttOptions) => mqtt(options);
